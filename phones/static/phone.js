// One phone: its screens and its keys. It shows what the network brings and sends what is typed; it knows no menu.

import { Call } from "./call.js";
import { card, clock, line, plural } from "./drawing.js";
import { ask } from "./network.js";
import { Question } from "./question.js";

const BLINK_MS = 1200;
const KEYS = /^[0-9*#]$/;
const TILL_WORDS = ["CHECK ", "USE "];
const FINE_POINTER = matchMedia("(pointer: fine)");

export class Phone {
  constructor(drawing, serviceCode, serviceNumber) {
    this.drawing = drawing;
    this.msisdn = drawing.dataset.msisdn;
    this.carrier = drawing.dataset.carrier;
    this.isTill = drawing.classList.contains("till");
    this.serviceCode = serviceCode;
    this.serviceNumber = serviceNumber; // empty where no calls are taken
    this.onNews = () => {};
    this.part = (name) => drawing.querySelector(`.${name}`);
    this.question = new Question(this);
    this.call = new Call(this);
    this.field = null;
    this.turn = 0; // an answer to an earlier turn than this is not shown any more
    for (const key of drawing.querySelectorAll("[data-key]")) {
      key.addEventListener("click", (event) => {
        this.press(key.dataset.key);
        if (event.detail) this.focus(); // pressed with a pointer; whoever tabs from key to key stays on the key
      });
    }
    this.part("text").addEventListener("input", () => this.countCharacters());
    this.empty();
    setInterval(() => this.at === "home" && this.home(), 30_000); // the clock
  }

  // Screens

  home() {
    this.show("home", {
      title: "Giftline",
      body: [
        line("clock", clock(Date.now())),
        line("day", new Date().toLocaleDateString("en", { weekday: "long", day: "numeric", month: "long" })),
        line("lead", this.unread ? plural(this.unread, "new message") : `Dial ${this.serviceCode}`),
        ...(this.serviceNumber ? [this.callUs()] : []),
      ],
      left: [this.unread ? "Read" : "Messages", () => this.inbox()],
      right: ["Write", () => this.write("")],
      call: () => this.number(this.serviceCode),
      letter: (letter) => this.write(letter),
      digit: (digit) => this.number(digit),
    });
  }

  number(dialled) {
    this.show("number", {
      title: "Dial",
      body: [line("dialled", dialled)],
      left: ["Call", () => this.dial(dialled)],
      right: ["Clear", () => (dialled.length > 1 ? this.number(dialled.slice(0, -1)) : this.home())],
      call: () => this.dial(dialled),
      digit: (digit) => this.number((dialled + digit).slice(0, 40)),
    });
  }

  running(words) {
    this.show("running", { title: "Giftline", body: [line("running", words)], right: ["Cancel", () => this.hangUp()] });
  }

  dialog(text) {
    const send = () => this.answer(this.field.value);
    this.show("dialog", {
      title: this.serviceCode,
      body: [line("words", text)],
      field: "answer",
      left: ["Send", send],
      right: ["Cancel", () => this.hangUp()],
      call: send,
    });
  }

  lastWords(text, fault) {
    this.show("lastWords", {
      title: this.serviceCode,
      body: [line("words", text), ...(fault ? [line("fault", fault)] : [])],
      left: ["OK", () => this.home()],
      right: ["Dial again", () => this.dial(this.serviceCode)],
      call: () => this.home(),
    });
  }

  inbox() {
    this.setUnread(0);
    this.show("inbox", {
      title: "Messages",
      body: this.cards.length ? this.cards.map(card) : [line("lead", "No messages yet")],
      left: ["Write", () => this.write("")],
      right: ["Back", () => this.home()],
      call: () => this.write(""),
      letter: (letter) => this.write(letter),
      digit: (digit) => this.write(digit), // an answer such as 1 is typed straight away
    });
  }

  write(text) {
    const send = () => this.send(this.field.value);
    this.show("write", {
      title: "New message",
      body: [line("to", "To: Giftline"), ...(this.isTill ? [this.tillWords()] : []), line("characters", "")],
      field: "text",
      filled: text,
      left: ["Send", send],
      right: ["Back", () => this.inbox()],
      call: send,
    });
    this.countCharacters();
  }

  // What the keys do

  /** A key of the phone: 0-9 * #, call, end, giftline, left, right, up, down. */
  press(key) {
    if (this.call.rings) return { call: () => this.call.pickUp(), end: () => this.call.putDown() }[key]?.();
    if (this.question.waits) return key === "end" ? this.question.answer("decline") : this.question.focus();
    if (KEYS.test(key)) return this.field ? this.insert(key) : this.now.digit?.(key);
    const deeds = {
      left: () => this.now.left?.[1](),
      right: () => this.now.right?.[1](),
      call: () => this.now.call?.(),
      end: () => this.hangUp(),
      giftline: () => this.call.goesOn || this.dial(this.serviceCode),
      up: () => this.part("view").scrollBy({ top: -60 }),
      down: () => this.part("view").scrollBy({ top: 60 }),
    };
    deeds[key]();
  }

  /** A key of the computer's keyboard, typed at `target`. True when the phone has taken it. */
  typed(key, target, shift) {
    if ((this.call.rings || this.question.waits) && key !== "Escape") return false; // their buttons are the browser's own
    const inField = target === this.field;
    if (key === "Escape") this.press("end");
    else if (key === "Enter" && target.matches("button, a")) return false;
    else if (key === "Enter" && !(inField && shift)) this.press("call");
    else if (inField) return false;
    else if (key === "ArrowUp" || key === "ArrowDown") this.press(key.slice(5).toLowerCase());
    else if (key === "Backspace" && this.at === "number") this.press("right");
    else if (KEYS.test(key)) this.press(key);
    else if (key.length > 1 || (key === " " && target.matches("button"))) return false;
    else if (this.field) this.insert(key);
    else if (key !== " " && this.now.letter) this.now.letter(key);
    else return false;
    return true;
  }

  dial(dialled) {
    if (this.serviceNumber && dialled.replace(/^00/, "") === this.serviceNumber) return this.call.dial();
    this.running("Running USSD code…");
    return this.take("dial", { msisdn: this.msisdn, code: dialled });
  }

  answer(text) {
    if (!text) return undefined; // phones cannot send nothing
    this.running("Sending…");
    return this.take("answer", { msisdn: this.msisdn, text });
  }

  async take(verb, request) {
    const turn = ++this.turn;
    let shown;
    try {
      shown = await ask(verb, request);
    } catch (error) {
      shown = { text: error.message, more: false };
    }
    if (turn !== this.turn) return;
    if (shown.more) this.dialog(shown.text);
    else this.lastWords(shown.text, shown.fault);
  }

  hangUp() {
    if (this.call.goesOn) return void this.call.putDown();
    const wasOpen = this.at === "dialog" || this.at === "running";
    this.turn += 1;
    this.home();
    if (wasOpen) ask("hang-up", { msisdn: this.msisdn }).catch(() => this.hasSignal(false));
  }

  async send(body) {
    if (!body.trim()) return;
    const sent = { sender: "You", body, at: Date.now() / 1000, state: "sending…" };
    this.cards.unshift(sent);
    this.inbox();
    try {
      const { fault } = await ask("text", { msisdn: this.msisdn, carrier: this.carrier, body });
      sent.state = fault ? `not delivered: ${fault}` : "sent";
    } catch (error) {
      sent.state = `not sent: ${error.message}`;
    }
    if (this.at === "inbox") this.inbox();
  }

  // What the network brings

  /** New texts, oldest first. The first ones after a number was put in are history, and come quietly. */
  receive(texts) {
    const quietly = !this.listening;
    this.listening = true;
    if (!texts.length) return;
    this.lastText = texts.at(-1).id;
    this.cards.unshift(...texts.toReversed());
    if (!quietly) {
      this.ring();
      if (this.at !== "inbox") this.setUnread(this.unread + texts.length);
    }
    if (this.at === "inbox") this.inbox();
    else if (this.at === "home") this.home();
  }

  ring() {
    this.drawing.classList.remove("ringing");
    void this.drawing.offsetWidth; // restarts the animation
    this.drawing.classList.add("ringing");
    setTimeout(() => this.drawing.classList.remove("ringing"), BLINK_MS);
  }

  hasSignal(has) {
    this.drawing.classList.toggle("no-signal", !has);
  }

  changeNumber(msisdn) {
    this.hangUp();
    this.msisdn = msisdn;
    this.empty();
  }

  empty() {
    this.cards = [];
    this.lastText = "0";
    this.listening = false;
    this.question.receive([]);
    this.call.receive();
    this.setUnread(0);
    this.home();
  }

  // Drawing

  show(at, now) {
    const hadFocus = this.drawing.contains(document.activeElement) && !document.activeElement.matches("button, .number");
    this.at = at;
    this.now = now;
    this.drawing.dataset.at = at;
    this.part("title").textContent = now.title;
    this.part("view").replaceChildren(...now.body);
    this.part("view").scrollTop = 0;
    this.part("entry").hidden = !now.field;
    for (const name of ["answer", "text"]) this.part(name).hidden = name !== now.field;
    this.field = now.field ? this.part(now.field) : null;
    if (this.field) this.field.value = now.filled ?? "";
    for (const side of ["left", "right"]) {
      const label = now[side]?.[0] ?? "";
      this.part("softs").querySelector(`.${side}`).textContent = label;
      const key = this.drawing.querySelector(`[data-key=${side}]`);
      key.setAttribute("aria-label", label || "No function");
      key.disabled = !label;
    }
    this.showNotice();
    if (hadFocus) this.focus();
  }

  /** Put the cursor where typing belongs; on a touch screen the phone's own keypad is enough. */
  focus() {
    if (this.question.waits) this.question.focus();
    else if (this.field && FINE_POINTER.matches) this.field.focus({ preventScroll: true });
    else this.part("screen").focus({ preventScroll: true });
  }

  setUnread(unread) {
    this.unread = unread;
    this.tellNews();
    this.showNotice();
  }

  tellNews() {
    this.onNews(this.unread + (this.question.waits ? 1 : 0) + (this.call.rings ? 1 : 0));
  }

  showNotice() {
    const notice = this.part("notice");
    notice.hidden = !this.unread || this.at === "home";
    notice.textContent = this.unread ? `✉ ${plural(this.unread, "new message")}` : "";
    this.part("envelope").hidden = !this.unread;
  }

  insert(text) {
    const end = this.field.selectionEnd;
    if (this.field.value.length + text.length > this.field.maxLength) return;
    this.field.setRangeText(text, this.field.selectionStart, end, "end");
    this.countCharacters();
  }

  countCharacters() {
    const counter = this.part("characters");
    if (counter) counter.textContent = `${this.part("text").value.length}/${this.part("text").maxLength}`;
  }

  callUs() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "call-us";
    button.textContent = `Call ${this.serviceNumber}`;
    button.addEventListener("click", () => this.call.dial());
    return button;
  }

  tillWords() {
    const words = line("till-words", "");
    for (const word of TILL_WORDS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = word.trim();
      button.addEventListener("click", () => {
        this.field.value = word + this.field.value.replace(/^(check|use) */i, "");
        this.countCharacters();
        this.focus();
      });
      words.append(button);
    }
    return words;
  }
}

// A telephone call on a phone: it rings until it is answered; then its words are read, and keys answer them.

import { line } from "./drawing.js";
import { ask } from "./network.js";

const RING_MS = 2500;

export class Call {
  constructor(phone) {
    this.phone = phone;
    this.now = null; // {sid, stage: "dialling", "ringing" or "open", text, one_key}
    this.keys = "";
    this.busy = false;
    this.mark = 0; // what was asked of the network before the last change of ours says nothing of it
    this.window = phone.part("ringer");
    this.window.querySelector(".pick-up").addEventListener("click", () => this.pickUp());
    this.window.querySelector(".decline").addEventListener("click", () => this.putDown());
  }

  get goesOn() {
    return this.now !== null;
  }

  get rings() {
    return this.now?.stage === "ringing";
  }

  /** The call that is on this phone now, or undefined. */
  receive(call) {
    if (this.busy || (call?.sid === this.now?.sid && call?.stage === this.now?.stage)) return;
    this.follow(call ?? null);
  }

  dial() {
    if (this.goesOn) return undefined;
    this.now = { stage: "dialling", text: "Calling…" };
    this.phone.running("Calling…");
    return this.take("call", {});
  }

  pickUp() {
    return this.take("pick-up", {});
  }

  /** A key of the phone, or "" for saying nothing. Several keys are sent with the hash that ends them. */
  press(key) {
    if (this.busy) return undefined;
    this.keys += key;
    const silent = !key && !this.keys;
    if (silent || this.now.one_key || key === "#") return this.take("press", { keys: this.keys });
    if (!key) return this.take("press", { keys: `${this.keys}#` });
    this.phone.part("pressed").textContent = this.keys;
    return undefined;
  }

  putDown() {
    const { rings } = this;
    this.mark += 1;
    this.follow(null, { quietly: true });
    if (!rings) this.phone.home(); // else the screen is what it was
    ask("put-down", { msisdn: this.phone.msisdn }).catch(() => this.phone.hasSignal(false));
  }

  async take(verb, request) {
    const mark = ++this.mark;
    this.busy = true;
    let call;
    try {
      ({ call } = await ask(verb, { msisdn: this.phone.msisdn, ...request }));
    } catch (error) {
      call = { stage: "over", text: "", fault: error.message };
    }
    if (mark !== this.mark) return; // put down meanwhile
    this.mark += 1;
    this.follow(call);
  }

  follow(call, { quietly = false } = {}) {
    const before = this.now;
    this.busy = false;
    this.keys = "";
    this.now = call?.stage === "over" ? null : call;
    this.ring(this.rings);
    if (this.now?.stage === "open") this.talk();
    else if (!this.rings && !quietly && (call || before?.stage !== "ringing")) this.end(call);
    this.phone.tellNews();
  }

  ring(rings) {
    if (this.window.hidden === !rings) return;
    this.window.hidden = !rings;
    clearInterval(this.ringing);
    if (!rings) return;
    this.phone.ring();
    this.ringing = setInterval(() => this.phone.ring(), RING_MS);
  }

  talk() {
    this.phone.show("talking", {
      title: "Call",
      body: [line("words", this.now.text), line("pressed", "")],
      left: ["Wait", () => this.press("")],
      right: ["Hang up", () => this.putDown()],
      call: () => this.press(""),
      digit: (digit) => this.press(digit),
    });
  }

  end(call) {
    this.phone.show("lastWords", {
      title: "Call ended",
      body: [line("words", call?.text || "The call is over."), ...(call?.fault ? [line("fault", call.fault)] : [])],
      left: ["OK", () => this.phone.home()],
      right: ["Call again", () => this.dial()],
      call: () => this.phone.home(),
    });
  }
}

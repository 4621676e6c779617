// A question that a provider puts on the phone: it covers the screen until it is answered, or no longer waits.

import { ask } from "./network.js";

const ASKERS = { mpesa: "M-PESA", momo: "MoMo" };

export class Question {
  constructor(phone) {
    this.phone = phone;
    this.shown = null;
    this.answered = new Set(); // an answer of the network that was on its way meanwhile may still name them
    this.window = phone.part("question");
    this.buttons = [...this.window.querySelectorAll("[data-answer]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.answer(button.dataset.answer));
  }

  get waits() {
    return this.shown !== null;
  }

  /** The questions that wait now, oldest first. */
  receive(questions) {
    const first = questions.find((question) => !this.answered.has(question.id)) ?? null;
    if (first?.id === this.shown?.id) return;
    this.show(first);
    if (first) this.phone.ring();
  }

  async answer(answer) {
    const { id } = this.shown;
    this.busy(true);
    try {
      const { fault } = await ask("question", { question: id, answer });
      if (fault) throw new Error(fault);
      this.answered.add(id);
      if (this.shown?.id === id) this.show(null);
    } catch (error) {
      this.part("trouble").textContent = error.message;
      this.busy(false);
    }
  }

  show(question) {
    const { drawing } = this.phone;
    const hadFocus = drawing.contains(document.activeElement) && !document.activeElement.matches(".number");
    this.shown = question;
    this.window.hidden = !question;
    for (const name of ["view", "entry"]) this.phone.part(name).inert = this.waits;
    this.part("asker").textContent = question ? (ASKERS[question.rail] ?? "Your network") : "";
    this.part("sentence").textContent = question?.sentence ?? "";
    this.part("trouble").textContent = "";
    this.busy(false);
    this.phone.tellNews();
    if (hadFocus) this.phone.focus();
  }

  /** To the window, not to a button of it: whoever is typing must not answer what they have not read. */
  focus() {
    this.window.focus({ preventScroll: true });
  }

  busy(is) {
    for (const button of this.buttons) button.disabled = is;
  }

  part(name) {
    return this.window.querySelector(`.${name}`);
  }
}

// The page: gives each drawn phone its life, brings new texts, and passes keys to the phone in use.

import { ask } from "./network.js";
import { Phone } from "./phone.js";

const POLL_MS = 500; // a poll is one cheap request for all the phones; see api.py for why not a long one
const HIDDEN_POLL_MS = 4000;
const TROUBLED_POLL_MS = 2000;

const { serviceCode: code, serviceNumber } = document.body.dataset;
const phones = [...document.querySelectorAll(".phone")].map((drawing) => new Phone(drawing, code, serviceNumber));
const home = new Map(phones.map((phone) => [phone.msisdn, phone])); // by the number the page came with
let inUse = phones[0];

function use(phone) {
  inUse = phone;
  for (const other of phones) other.drawing.classList.toggle("in-use", other === phone);
}

async function listen() {
  let pause = POLL_MS;
  const after = Object.fromEntries(phones.map((phone) => [phone.msisdn, phone.lastText]));
  const marks = new Map(phones.map((phone) => [phone, phone.call.mark]));
  try {
    const { texts, calls, questions } = await ask("texts", { after });
    for (const phone of phones) {
      if (phone.msisdn in after) {
        phone.receive(texts.filter((text) => text.to === phone.msisdn));
        phone.question.receive(questions.filter((question) => question.msisdn === phone.msisdn));
        if (phone.call.mark === marks.get(phone)) {
          phone.call.receive(calls.find((call) => call.msisdn === phone.msisdn));
        }
      }
      phone.hasSignal(true);
    }
  } catch {
    for (const phone of phones) phone.hasSignal(false);
    pause = TROUBLED_POLL_MS;
  }
  setTimeout(listen, document.hidden ? HIDDEN_POLL_MS : pause);
}

function keepNumbers(phone, index) {
  const input = phone.drawing.querySelector(".number");
  const trouble = phone.drawing.querySelector(".trouble");
  const kept = `giftline phone ${index + 1}`;

  async function change(typed) {
    try {
      const { msisdn } = await ask("number", { number: typed });
      if (phones.some((other) => other !== phone && other.msisdn === msisdn)) {
        throw new Error("Another phone here has that number.");
      }
      trouble.textContent = "";
      if (msisdn !== phone.msisdn) phone.changeNumber(msisdn);
      localStorage.setItem(kept, msisdn);
    } catch (error) {
      trouble.textContent = error.message;
    }
    input.value = phone.msisdn;
    showNumbers();
  }

  input.addEventListener("change", () => change(input.value));
  const before = localStorage.getItem(kept);
  return before && before !== phone.msisdn ? change(before) : null;
}

function showNumbers() {
  for (const place of document.querySelectorAll("[data-number-of]")) {
    const phone = home.get(place.dataset.numberOf);
    if (phone.msisdn !== place.dataset.numberOf) place.textContent = phone.msisdn;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target;
  if (target !== document.body && !target.closest(".phone")) return;
  if (target.matches(".number")) {
    if (event.key === "Enter") target.blur();
    return;
  }
  if (target === document.body) inUse.focus();
  if (inUse.typed(event.key, target, event.shiftKey)) event.preventDefault();
});

for (const phone of phones) {
  for (const kind of ["focusin", "pointerdown"]) phone.drawing.addEventListener(kind, () => use(phone));
}

const tabs = [...document.querySelectorAll(".tabs a")];
phones.forEach((phone, index) => {
  const count = tabs[index].querySelector(".count");
  phone.onNews = (news) => {
    count.textContent = news;
    count.hidden = news === 0;
  };
});

for (const button of document.querySelectorAll("[data-do]")) {
  const { do: what, number, text } = button.dataset;
  const phone = home.get(number);
  const deeds = { dial: () => phone.dial(code), read: () => phone.inbox(), write: () => phone.write(text) };
  button.addEventListener("click", () => {
    use(phone);
    phone.drawing.scrollIntoView({ block: "nearest", inline: "nearest" });
    phone.focus();
    if (!phone.call.goesOn) deeds[what]();
  });
}

use(inUse);
await Promise.all(phones.map(keepNumbers));
listen();

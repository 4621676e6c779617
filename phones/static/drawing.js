// What phones draw on their screens. What comes from outside is put there as text (textContent), never as HTML.

const LINK = /https?:\/\/[^\s<>"]*[^\s<>".,;:!?)]/g;
const BANK_REFERENCE = /\bRF\d\d(?: ?[0-9A-Z]{4}){2}\b/; // ISO 11649, around the eight characters of an order
const AMOUNT = /\b[A-Z]{3}\s?([\d.,]*\d)/;

/** A paragraph of that class. */
export function line(name, text) {
  const element = document.createElement("p");
  element.className = name;
  element.textContent = text;
  element.dir = "auto";
  return element;
}

/** A link that opens in a tab of its own. */
function link(name, address, words) {
  const element = document.createElement("a");
  element.className = name;
  element.href = address;
  element.target = "_blank";
  element.rel = "noopener";
  element.textContent = words;
  return element;
}

/** A text of somebody else's, in which addresses can be opened. */
function withLinks(words) {
  const element = line("words", "");
  let end = 0;
  for (const found of words.matchAll(LINK)) {
    element.append(words.slice(end, found.index), link("link", found[0], found[0]));
    end = found.index + found[0].length;
  }
  element.append(words.slice(end));
  return element;
}

/** The way to the bank's page, filled in as a text with a reference to pay to asks for; null for other texts. */
function toBank(text) {
  const page = document.querySelector(".bank");
  const reference = text.body.match(BANK_REFERENCE);
  if (!page || !reference) return null;
  const filled = new URLSearchParams({ reference: reference[0], phone: text.to });
  const amount = text.body.match(AMOUNT);
  if (amount) filled.set("amount", amount[1].replaceAll(",", ""));
  return link("to-bank", `${page.href}?${filled}`, "Pay this at the bank");
}

/** What came with a message: a picture, or a sound to be played. */
function enclosed([name, mime]) {
  const picture = mime.startsWith("image/");
  const element = document.createElement(picture ? "img" : "audio");
  if (picture) element.alt = "Picture";
  else Object.assign(element, { controls: true, preload: "none" });
  element.src = `/phones/media/${name}`;
  return element;
}

/** A message of the inbox, sent or received. */
export function card(text) {
  const element = document.createElement("article");
  element.className = text.sender === "You" ? "sent" : "received";
  const state = text.state ? ` · ${text.state}` : "";
  element.append(line("from", `${text.sender} · ${clock(text.at * 1000)}${state}`));
  if (text.sender === "You") element.append(line("words", text.body));
  else element.append(withLinks(text.body), ...[toBank(text)].filter(Boolean), ...text.media.map(enclosed));
  return element;
}

/** The local time of day. */
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** "1 new message", "2 new messages". */
export function plural(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

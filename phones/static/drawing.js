// What phones draw on their screens. What comes from outside is put there as text (textContent), never as HTML.

/** A paragraph of that class. */
export function line(name, text) {
  const element = document.createElement("p");
  element.className = name;
  element.textContent = text;
  element.dir = "auto";
  return element;
}

/** A message of the inbox, sent or received. */
export function card(text) {
  const element = document.createElement("article");
  element.className = text.sender === "You" ? "sent" : "received";
  const state = text.state ? ` · ${text.state}` : "";
  element.append(line("from", `${text.sender} · ${clock(text.at * 1000)}${state}`), line("words", text.body));
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

// The page's line to the network: one JSON request, one JSON answer.

const PATIENCE_MS = 25_000; // a USSD turn may take the product 10 seconds, and its end event as long again

/** What POST /phones/api/<verb> answers. Throws an Error whose message can be shown. */
export async function ask(verb, request) {
  let response, answer;
  try {
    response = await fetch(`/phones/api/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    answer = await response.json();
  } catch {
    throw new Error("No network. Is Giftline running?");
  }
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// Requests to the stage's server. An error says what happened, where, and what to do next.

const TIMEOUT_MS = 15_000;

export class ApiError extends Error {
  constructor({ status, what, where = "", next = "" }) {
    super(what);
    Object.assign(this, { status, what, where, next });
  }

  // One line for a person.
  get words() {
    return [this.what, this.where && `(${this.where})`, this.next && `Next: ${this.next}`].filter(Boolean).join(" ");
  }
}

export async function get(path) {
  return (await request(path, {})).json();
}

export async function post(path, body) {
  const response = await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer(); // a body that nobody reads is a cancelled request in the browser's log
}

// Returns the response, with a status below 300.
export async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch {
    throw new ApiError({ status: 0, what: "The stage does not answer.", next: "check whether `lab stage` still runs." });
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

async function errorOf(response) {
  const { status } = response;
  try {
    const { what, where, next } = (await response.json()).error;
    return new ApiError({ status, what, where, next });
  } catch {
    // Not the stage's own answer: a proxy's page, for example.
    return new ApiError({ status, what: `The answer has the status ${status}.`, where: response.url });
  }
}

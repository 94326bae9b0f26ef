// JSON from the frontend, with its errors as they are worded there.

const TIMEOUT_MS = 5000;

export class ApiProblem extends Error {
  constructor({ what, where, next }, status) {
    super(what);
    Object.assign(this, { what, where, next, status });
  }
}

export async function getJson(path) {
  return read(await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" }));
}

export async function postJson(path, body) {
  const headers = { "content-type": "application/json" };
  return read(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) }));
}

async function read(response) {
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

// The frontend's own error, or what a proxy before it said.
export async function problemOf(response) {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text);
    if (error?.what) return new ApiProblem(error, response.status);
  } catch {
    // A proxy's words, below.
  }
  const words = text.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, 120);
  const what = `HTTP ${response.status}${words ? `: ${words}` : ""}`;
  return new ApiProblem({ what, where: "a proxy before the frontend", next: "check the ingress and the frontend: lab status" }, response.status);
}

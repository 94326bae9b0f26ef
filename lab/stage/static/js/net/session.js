// The token of the address, exchanged for a cookie: then the token leaves the address bar and the history.

import { post } from "./api.js";

// Does nothing if the address has no token; throws an ApiError with status 403 if the token is of another start.
export async function openSession() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  try {
    await post("/api/session", { token });
  } catch (error) {
    if (error.status === 0) throw error; // the server does not answer: the token is needed for the next try
    forget();
    throw error;
  }
  forget();
}

function forget() {
  history.replaceState(null, "", location.pathname + location.search);
}

// Questions to the initializer's server. An error says what happened and what to do next.

import { ApiError, request } from "../net/api.js";

export async function ask(path, body) {
  try {
    const response = await request(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return await response.json();
  } catch (error) {
    if (error.status !== 0) throw error;
    throw new ApiError({ status: 0, what: "The initializer does not answer.", next: "check whether its command still runs." });
  }
}

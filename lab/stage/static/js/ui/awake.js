// Keeps the screen on while the stage is shown, where the browser can.

export function stayAwake() {
  const ask = () => {
    if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {}); // e.g. a low battery
  };
  document.addEventListener("visibilitychange", ask);
  ask();
}

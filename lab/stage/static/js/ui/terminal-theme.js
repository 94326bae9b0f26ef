// Colours of the consoles, for light and dark; xterm raises each contrast to 4.5:1 by itself.

const LIGHT = {
  background: "#ffffff",
  foreground: "#16202c",
  cursor: "#16202c",
  cursorAccent: "#ffffff",
  selectionBackground: "#b9d0f2",
  selectionInactiveBackground: "#d8dee6",
  black: "#16202c",
  red: "#b4232f",
  green: "#17703f",
  yellow: "#7a5200",
  blue: "#1f5fbf",
  magenta: "#86369c",
  cyan: "#0b6b78",
  white: "#5b6673",
  brightBlack: "#5b6673",
  brightRed: "#b4232f",
  brightGreen: "#17703f",
  brightYellow: "#7a5200",
  brightBlue: "#1f5fbf",
  brightMagenta: "#86369c",
  brightCyan: "#0b6b78",
  brightWhite: "#16202c",
};

const DARK = {
  background: "#0d1218",
  foreground: "#e8edf3",
  cursor: "#e8edf3",
  cursorAccent: "#0d1218",
  selectionBackground: "#33517d",
  selectionInactiveBackground: "#2a3542",
  black: "#2a3542",
  red: "#ff7f8c",
  green: "#5fd097",
  yellow: "#e8bd62",
  blue: "#7db1ff",
  magenta: "#d59bea",
  cyan: "#63cfdd",
  white: "#c7d0da",
  brightBlack: "#93a0af",
  brightRed: "#ff9aa4",
  brightGreen: "#7fe0ae",
  brightYellow: "#f2d084",
  brightBlue: "#9cc4ff",
  brightMagenta: "#e2b6f2",
  brightCyan: "#86dfea",
  brightWhite: "#ffffff",
};

export function terminalTheme(dark) {
  return dark ? DARK : LIGHT;
}

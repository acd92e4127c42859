/** Dark or light: as JupyterLab says, else as the page or the system does. */

export type Theme = "dark" | "light"

export function detectTheme(): Theme {
  const { jpThemeLight, theme } = document.body.dataset
  if (jpThemeLight !== undefined) return jpThemeLight === "false" ? "dark" : "light"
  if (theme === "dark" || theme === "light") return theme
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"
}

/** Hear when it changes; returns how to stop. */
export function watchTheme(listener: (theme: Theme) => void): () => void {
  const tell = () => listener(detectTheme())
  const observer = new MutationObserver(tell)
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-theme"] })
  const system = matchMedia("(prefers-color-scheme: dark)")
  system.addEventListener("change", tell)
  return () => {
    observer.disconnect()
    system.removeEventListener("change", tell)
  }
}

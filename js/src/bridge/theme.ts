/** Detects the dark or light theme: from JupyterLab, else from the page or the system. */

export type Theme = "dark" | "light"

export function detectTheme(): Theme {
  const { jpThemeLight, theme } = document.body.dataset
  if (jpThemeLight !== undefined) return jpThemeLight === "false" ? "dark" : "light"
  if (theme === "dark" || theme === "light") return theme
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"
}

/** Subscribes to theme changes; returns the unsubscribe function. */
export function watchTheme(listener: (theme: Theme) => void): () => void {
  const notify = () => listener(detectTheme())
  const observer = new MutationObserver(notify)
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-theme"] })
  const system = matchMedia("(prefers-color-scheme: dark)")
  system.addEventListener("change", notify)
  return () => {
    observer.disconnect()
    system.removeEventListener("change", notify)
  }
}

/** Base URL and XSRF token of the Jupyter server behind this page. */

/** The parts of a page that define the base URL. Tests pass their own. */
export interface PageFacts {
  /** Text of `#jupyter-config-data` (JupyterLab, Notebook 7). */
  config: string | null
  /** `data-base-url` of the body (older pages). */
  bodyBase: string | null
  href: string
}

export const currentPage = (): PageFacts => ({
  config: document.getElementById("jupyter-config-data")?.textContent ?? null,
  bodyBase: document.body.dataset.baseUrl ?? null,
  href: location.href,
})

/** The server's base URL with a trailing slash. Defaults to the root of the page's origin. */
export function serverBaseUrl(page: PageFacts): string {
  const path = configuredBase(page.config) ?? page.bodyBase ?? "/"
  const base = new URL(path, page.href)
  return `${base.origin === "null" ? "" : base.origin}${base.pathname.replace(/\/*$/, "/")}`
}

function configuredBase(text: string | null): string | null {
  if (!text) return null
  try {
    const base = (JSON.parse(text) as { baseUrl?: unknown }).baseUrl
    return typeof base === "string" && base !== "" ? base : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Whether the URL is absolute: `https:`, `blob:`, `data:`, `//host`. */
export const isAbsoluteUrl = (address: string): boolean => /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(address)

/** Resolves a URL of the kernel: relative URLs start at the server's base URL. */
export const resolveUrl = (base: string, address: string): string =>
  isAbsoluteUrl(address) ? address : base + address.replace(/^\/+/, "")

/** The XSRF token from Jupyter's cookie. Every write request must repeat it in a header. */
export function xsrfToken(cookies: string): string | null {
  const token = /(?:^|;\s*)_xsrf=([^;]*)/.exec(cookies)?.[1]
  return token ? decodeURIComponent(token) : null
}

/** The Jupyter server behind this page: where its addresses begin, and what it wants to see of a request that writes. */

/** The part of a page that says so; a test brings its own. */
export interface PageFacts {
  /** Text of `#jupyter-config-data`, where JupyterLab and Notebook 7 say what they know. */
  config: string | null
  /** `data-base-url` of the body, where older pages say it. */
  bodyBase: string | null
  href: string
}

export const currentPage = (): PageFacts => ({
  config: document.getElementById("jupyter-config-data")?.textContent ?? null,
  bodyBase: document.body.dataset.baseUrl ?? null,
  href: location.href,
})

/** The server's base URL, with a slash at its end; the root of the page's origin where nobody says. */
export function serverBaseUrl(page: PageFacts): string {
  const said = configured(page.config) ?? page.bodyBase ?? "/"
  const base = new URL(said, page.href)
  return `${base.origin === "null" ? "" : base.origin}${base.pathname.replace(/\/*$/, "/")}`
}

function configured(text: string | null): string | null {
  if (!text) return null
  try {
    const base = (JSON.parse(text) as { baseUrl?: unknown }).baseUrl
    return typeof base === "string" && base !== "" ? base : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Whether an address says by itself where it leads: `https:`, `blob:`, `data:`, `//host`. */
export const isAbsoluteUrl = (address: string): boolean => /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(address)

/** An address of the kernel's as the page can use it: what is relative begins at the server's base URL. */
export const resolveUrl = (base: string, address: string): string =>
  isAbsoluteUrl(address) ? address : base + address.replace(/^\/+/, "")

/** The token that Jupyter sets as a cookie and asks for again in a header of every request that writes. */
export function xsrfToken(cookies: string): string | null {
  const found = /(?:^|;\s*)_xsrf=([^;]*)/.exec(cookies)?.[1]
  return found ? decodeURIComponent(found) : null
}

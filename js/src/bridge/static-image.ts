/** Hides the static image of a canvas, stored in the same cell for viewers without a kernel, while the widget is shown. */

/** Hides static images with this class name; returns a function that shows them again. */
export function hideStaticImage(name: string): () => void {
  if (!/^[\w-]+$/.test(name)) return () => {}
  const rule = document.createElement("style")
  // A style rule, not an inline style: the output element is replaced whenever the kernel updates it.
  rule.textContent = `.jp-OutputArea-child:has(.${name}) { display: none; }`
  document.head.append(rule)
  return () => rule.remove()
}

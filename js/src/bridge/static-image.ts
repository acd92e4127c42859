/** The still picture of a canvas stands in the same cell, for who opens the notebook without a kernel: not beside us. */

/** Hide the still picture of this class for as long as a living view shows the same; returns how to show it again. */
export function hideStaticImage(name: string): () => void {
  if (!/^[\w-]+$/.test(name)) return () => {}
  const rule = document.createElement("style")
  // A rule, not a style on the element: the output is drawn anew whenever the kernel refreshes it.
  rule.textContent = `.jp-OutputArea-child:has(.${name}) { display: none; }`
  document.head.append(rule)
  return () => rule.remove()
}

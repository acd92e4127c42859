/** A picture from an address, decoded and free to be drawn with WebGL. */

import type { Picture } from "./renderer"

/** Rejects where the address gives no picture. */
export async function loadPicture(url: string): Promise<Picture> {
  const picture = new Image()
  picture.crossOrigin = "anonymous" // what comes without leave from another origin must not be read, nor drawn here
  picture.decoding = "async"
  picture.src = url
  await picture.decode()
  return picture
}

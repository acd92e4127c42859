/** Loads images for use in WebGL. */

import type { Picture } from "./renderer"

/** Loads and decodes an image. Rejects if the URL is not an image. */
export async function loadPicture(url: string): Promise<Picture> {
  const picture = new Image()
  picture.crossOrigin = "anonymous" // WebGL refuses cross-origin images without CORS
  picture.decoding = "async"
  picture.src = url
  await picture.decode()
  return picture
}

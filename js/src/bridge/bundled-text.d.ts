/** A module bundled separately and imported as text; see `build.mjs`. */
declare module "bundled-text:*" {
  const text: string
  export default text
}

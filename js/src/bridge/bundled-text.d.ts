/** A module bundled by itself, as text; `build.mjs` does it. */
declare module "bundled-text:*" {
  const text: string
  export default text
}

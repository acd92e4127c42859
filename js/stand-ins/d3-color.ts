/**
 * Stands in for d3-color, which d3-zoom brings along by way of d3-transition. React Flow animates the viewport alone, never a
 * colour, so all of it would be weight without use. Whoever animates a colour after all is told here.
 */

const none = (): never => {
  throw new Error("Colours are not animated here: d3-color is left out of the bundle (js/stand-ins).")
}

export { none as color, none as cubehelix, none as gray, none as hcl, none as hsl, none as lab, none as lch, none as rgb }

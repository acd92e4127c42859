/** WebGL shaders: place up to four images, grade them and compare them. */

/** A single triangle that covers the viewport. */
export const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0, 1);
}`

/** Mode numbers in the shader. */
export const MODE_NUMBERS = { beside: 0, wipe: 1, difference: 2, onion: 3 } as const

/**
 * Images are compared in a frame with the pixel grid of the first image. `view` is the position of the frame in a cell
 * and the number of device pixels per frame pixel.
 */
export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler2D picture0, picture1, picture2, picture3;
uniform sampler3D table;
uniform vec4 place[4];    // position and size of each image in the frame
uniform float level[4];   // mipmap level of each image
uniform vec3 view;
uniform vec3 divider;     // wipe dividers, as fractions of the width
uniform vec2 size;        // size of the drawing area, in device pixels
uniform ivec2 grid;       // columns and rows
uniform int count, mode;
uniform float onion, strength, checker;
uniform bool isGraded;
out vec4 color;

vec4 samplePicture(int i, vec2 at) {
  if (i == 0) return textureLod(picture0, at, level[0]);
  if (i == 1) return textureLod(picture1, at, level[1]);
  if (i == 2) return textureLod(picture2, at, level[2]);
  return textureLod(picture3, at, level[3]);
}

vec4 shade(int i, vec2 pixel) {
  vec2 at = ((pixel - view.xy) / view.z - place[i].xy) / place[i].zw;
  if (any(lessThan(at, vec2(0))) || any(greaterThanEqual(at, vec2(1)))) return vec4(0);
  vec4 texel = samplePicture(i, at);
  if (isGraded) texel.rgb = texture(table, (texel.rgb * 32. + .5) / 33.).rgb;
  texel.rgb *= texel.a;
  if (checker > 0.) {
    ivec2 square = ivec2(floor(pixel / checker)) & 1;
    texel += vec4(vec3(square.x == square.y ? .46 : .54), 1) * (1. - texel.a);
  }
  return texel;
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x, size.y - gl_FragCoord.y);
  if (mode == 0) {
    vec2 cell = size / vec2(grid);
    ivec2 position = ivec2(pixel / cell);
    int i = position.y * grid.x + position.x;
    color = i < count ? shade(i, pixel - vec2(position) * cell) : vec4(0);
  } else if (mode == 1) {
    float x = pixel.x / size.x;
    int i = 0;
    for (int k = 0; k < 3; k++) if (k < count - 1 && x >= divider[k]) i = k + 1;
    color = shade(i, pixel);
  } else if (mode == 2) {
    vec4 low = shade(0, pixel), high = low;
    for (int i = 1; i < count; i++) {
      vec4 shaded = shade(i, pixel);
      low = min(low, shaded);
      high = max(high, shaded);
    }
    color = vec4(min((high.rgb - low.rgb) * strength, vec3(1)), 1) * step(.001, high.a);
  } else {
    int i = min(int(onion), count - 2);
    color = mix(shade(i, pixel), shade(i + 1, pixel), clamp(onion - float(i), 0., 1.));
  }
}`

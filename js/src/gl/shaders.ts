/** What the graphics card does for each pixel: place up to four pictures, grade them, and set them against each other. */

/** One triangle that covers everything. */
export const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0, 1);
}`

/** Numbers of the modes in the shader. */
export const MODE_NUMBERS = { beside: 0, wipe: 1, difference: 2, onion: 3 } as const

/**
 * A frame is what pictures are compared in: its pixels are those of the first picture. `view` says where the frame
 * lies in a cell: its corner, and how many device pixels one of its own takes.
 */
export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler2D picture0, picture1, picture2, picture3;
uniform sampler3D table;
uniform vec4 place[4];    // of each picture in the frame: corner and size
uniform float level[4];   // of detail, by how much each is made smaller
uniform vec3 view;
uniform vec3 divider;     // of the wipe, in fractions of the width
uniform vec2 size;        // of all that is drawn, in device pixels
uniform ivec2 grid;       // cells beside each other, and below
uniform int count, mode;
uniform float onion, strength, checker;
uniform bool isGraded;
out vec4 color;

vec4 taken(int i, vec2 at) {
  if (i == 0) return textureLod(picture0, at, level[0]);
  if (i == 1) return textureLod(picture1, at, level[1]);
  if (i == 2) return textureLod(picture2, at, level[2]);
  return textureLod(picture3, at, level[3]);
}

vec4 look(int i, vec2 pixel) {
  vec2 at = ((pixel - view.xy) / view.z - place[i].xy) / place[i].zw;
  if (any(lessThan(at, vec2(0))) || any(greaterThanEqual(at, vec2(1)))) return vec4(0);
  vec4 found = taken(i, at);
  if (isGraded) found.rgb = texture(table, (found.rgb * 32. + .5) / 33.).rgb;
  found.rgb *= found.a;
  if (checker > 0.) {
    ivec2 square = ivec2(floor(pixel / checker)) & 1;
    found += vec4(vec3(square.x == square.y ? .46 : .54), 1) * (1. - found.a);
  }
  return found;
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x, size.y - gl_FragCoord.y);
  if (mode == 0) {
    vec2 cell = size / vec2(grid);
    ivec2 which = ivec2(pixel / cell);
    int i = which.y * grid.x + which.x;
    color = i < count ? look(i, pixel - vec2(which) * cell) : vec4(0);
  } else if (mode == 1) {
    float x = pixel.x / size.x;
    int i = 0;
    for (int k = 0; k < 3; k++) if (k < count - 1 && x >= divider[k]) i = k + 1;
    color = look(i, pixel);
  } else if (mode == 2) {
    vec4 low = look(0, pixel), high = low;
    for (int i = 1; i < count; i++) {
      vec4 one = look(i, pixel);
      low = min(low, one);
      high = max(high, one);
    }
    color = vec4(min((high.rgb - low.rgb) * strength, vec3(1)), 1) * step(.001, high.a);
  } else {
    int i = min(int(onion), count - 2);
    color = mix(look(i, pixel), look(i + 1, pixel), clamp(onion - float(i), 0., 1.));
  }
}`

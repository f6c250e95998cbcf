// Colours of data: a scale from dark to light whose steps look equally large, also
// to those who see few hues (the stops are viridis', which is in the public
// domain), and the hues of fields.

const stops = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

// colourOf is the scale's colour at 0 to 1, as three numbers.
export function colourOf(share) {
  const x = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(x));
  const t = x - i;
  return stops[i].map((v, k) => Math.round(v + (stops[i + 1][k] - v) * t));
}

// hues are told apart by lightness as well as by hue, on black and on white.
const hues = [[74, 123, 208], [58, 158, 104], [209, 96, 128], [150, 118, 214], [42, 152, 164], [178, 138, 40], [198, 102, 62], [120, 134, 148]];

// hueOf is the colour of the i-th of some things.
export function hueOf(i) {
  return hues[i % hues.length];
}

// css writes a colour for a style sheet's property.
export function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

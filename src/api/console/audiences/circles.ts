/** The area that circles of radii `a` and `b` have in common, their centres `d` apart. */
function lensOf(a: number, b: number, d: number): number {
  if (d >= a + b) return 0
  if (d <= Math.abs(a - b)) return Math.PI * Math.min(a, b) ** 2
  const part = (own: number, other: number) => {
    const across = (d * d + own * own - other * other) / (2 * d)
    return own * own * Math.acos(across / own) - across * Math.sqrt(own * own - across * across)
  }
  return part(a, b) + part(b, a)
}

const steps = 40

/** How far apart the centres are of circles that have so much area in common. */
export function distanceFor(a: number, b: number, common: number): number {
  let near = Math.abs(a - b)
  let far = a + b
  for (let i = 0; i < steps; i++) {
    const middle = (near + far) / 2
    if (lensOf(a, b, middle) > common) near = middle
    else far = middle
  }
  return (near + far) / 2
}

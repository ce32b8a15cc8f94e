import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colours only where a terminal shows them: NO_COLOR and FORCE_COLOR have the last word. */
const painter = (style: Style) => (text: string) => styleText(style, text)

export const bold = painter('bold')
export const dim = painter('dim')
export const green = painter('green')
export const yellow = painter('yellow')
export const red = painter('red')

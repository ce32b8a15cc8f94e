import type { GroupDefinition } from '../../../identity/definitions.ts'
import * as wire from '../../platform/wire/groups.ts'
import { PreviewedDefinition } from '../../platform/wire/previews.ts'
import type { Form } from '../form.ts'
import { shaped } from '../shape.ts'

/** A definition as it stands in the fields of its form. */
export interface Typed {
  id: string
  description: string
  source: string
  matching: boolean
  /** Whether households follow each change. */
  continuous: boolean
  /** Whether the values of `ignored`, one a line, count as none, in place of the usual ones. */
  isOwnIgnored: boolean
  ignored: string
  attributes: { id: string; type: string }[]
}

export const blank: Typed = {
  id: '',
  description: '',
  source: '',
  matching: false,
  continuous: false,
  isOwnIgnored: false,
  ignored: '',
  attributes: [],
}

export const typedOf = (definition: GroupDefinition): Typed => ({
  id: definition.id,
  description: definition.description,
  source: definition.source,
  matching: definition.matching !== null,
  continuous: definition.refresh !== null,
  isOwnIgnored: definition.ignoreValues !== null,
  ignored: (definition.ignoreValues ?? []).join('\n'),
  attributes: definition.attributes,
})

/** Browsers send line breaks in their own way. */
const lines = (text: string): string => text.replaceAll('\r\n', '\n')

export function readTyped(form: Form): Typed {
  const types = form.getAll('type')
  return {
    id: form.get('id') ?? '',
    description: lines(form.get('description') ?? ''),
    source: form.get('source') ?? '',
    matching: form.get('matching') === 'normalized',
    continuous: form.get('refresh') === 'continuous',
    isOwnIgnored: form.get('ignore') === 'own',
    ignored: lines(form.get('ignored') ?? ''),
    attributes: form.getAll('attribute').map((id, i) => ({ id, type: types[i] ?? '' })),
  }
}

export const isFilled = ({ id }: { id: string }) => id.trim() !== ''

/** What the wire takes, of all fields. */
const sent = ({ id, description, source, matching, isOwnIgnored, ...typed }: Typed) => ({
  id,
  description,
  source_user_attribute: source,
  matching: matching ? 'normalized' : null,
  refresh: typed.continuous ? 'continuous' : null,
  ignore_values: isOwnIgnored
    ? typed.ignored.split('\n').filter((line) => line.trim() !== '')
    : null,
  attributes: typed.attributes.filter(isFilled),
})

/** A new definition. Throws `required` and `invalid`, as the wire does. */
export function readDraft(typed: Typed) {
  const draft = shaped(wire.NewDefinition, sent(typed))
  return { id: draft.id, draft: wire.draftOf(draft) }
}

/** The same to be previewed, which has no name yet. Throws as `readDraft` does. */
export function readPreviewed(typed: Typed) {
  const { id: _, ...draft } = sent(typed)
  return wire.draftOf(shaped(PreviewedDefinition, draft))
}

/** The fields of a form that say another thing than `before`. Throws as `readDraft` does. */
export function readChange(typed: Typed, before: Typed) {
  const { description, ignored } = before
  const then = sent({ ...before, description: lines(description), ignored: lines(ignored) })
  const values = new Map<string, string>(
    Object.entries(then).map(([name, value]) => [name, JSON.stringify(value)]),
  )
  const isOther = ([name, value]: [string, unknown]) =>
    name !== 'id' && JSON.stringify(value) !== values.get(name)
  const change = Object.fromEntries(Object.entries(sent(typed)).filter(isOther))
  return wire.changeOf(shaped(wire.DefinitionChange, change))
}

/** The form's name of each field of the wire. */
export function fieldsOf({ attributes, ignored }: Typed): Record<string, string> {
  return {
    source_user_attribute: 'source',
    attributes: 'attribute-0',
    ...Object.fromEntries(
      // Empty rows are left out, and those that are filled are shown first.
      attributes.flatMap((_, i) =>
        ['id', 'type'].map((of) => [`attributes.${i}.${of}`, `attribute-${i}`]),
      ),
    ),
    ignore_values: 'ignored',
    ...Object.fromEntries(ignored.split('\n').map((_, i) => [`ignore_values.${i}`, 'ignored'])),
  }
}

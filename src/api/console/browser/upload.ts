import { headerModes } from '../../../jobs/format.ts'
import { button as newButton, element } from './element.ts'
import { headOf } from './file-head.ts'
import { lookAt } from './file-look.ts'
import { bytesText } from './numbers.ts'
import { showLook, wrong } from './show-look.ts'

improveUpload()

/** Shows what a chosen file looks like, takes one that is dropped, and sends it while it says how far. */
function improveUpload(): void {
  const form = document.querySelector<HTMLFormElement>('form[data-upload]')
  const input = form?.querySelector<HTMLInputElement>('input[type=file]')
  const header = form?.querySelector<HTMLSelectElement>('select[name=header]')
  if (!form || !input || !header) return
  const look = () => void showFile(form, input, header)
  input.addEventListener('change', look)
  header.addEventListener('change', look)
  takeDropped(form, input, look)
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    send(form)
  })
  look()
}

async function showFile(
  form: HTMLFormElement,
  input: HTMLInputElement,
  header: HTMLSelectElement,
): Promise<void> {
  const [file] = input.files ?? []
  const place = form.querySelector('#looks')
  if (file === undefined) return place?.replaceChildren()
  const participantMax = Number(form.dataset['participantMax'])
  const mode = headerModes.find((known) => known === header.value) ?? 'auto'
  try {
    const look = lookAt(await headOf(file), mode, participantMax)
    place?.replaceChildren(...showLook(file, look, participantMax))
  } catch {
    place?.replaceChildren(wrong('This file cannot be read. Choose it again, or another one.'))
  }
}

function takeDropped(form: HTMLFormElement, input: HTMLInputElement, look: () => void): void {
  const area = form.querySelector('.drop')
  area?.addEventListener('dragover', (event) => {
    event.preventDefault()
    area.classList.add('over')
  })
  area?.addEventListener('dragleave', () => area.classList.remove('over'))
  area?.addEventListener('drop', (event) => {
    event.preventDefault()
    area.classList.remove('over')
    const { dataTransfer } = event as DragEvent // of this name
    if (dataTransfer === null || dataTransfer.files.length === 0) return
    input.files = dataTransfer.files
    look()
  })
}

/** Sends the form, and goes where the answer leads; a refused one keeps what was chosen. */
function send(form: HTMLFormElement): void {
  const place = form.querySelector('#sending')
  const button = form.querySelector<HTMLButtonElement>('button.main')
  if (place === null || button === null) return
  const request = new XMLHttpRequest()
  const bar = element('progress', { max: '1', value: '0', 'aria-label': 'Sending' })
  const text = element('p', {}, 'Sending the file. Keep this page open until it is sent.')
  const stop = newButton('Stop sending', () => request.abort())
  const end = (message: string) => {
    button.disabled = false
    place.replaceChildren(wrong(message))
  }
  request.upload.addEventListener('progress', ({ loaded, total }) => {
    bar.setAttribute('value', String(loaded / Math.max(1, total)))
    const sent = `${bytesText(loaded)} of ${bytesText(total)} sent.`
    text.textContent =
      loaded === total
        ? `${sent} It is being read.`
        : `${sent} Keep this page open until it is sent.`
  })
  request.addEventListener('load', () => {
    if (request.status === 200) location.assign(request.responseURL)
    else end(refusalIn(request.responseText))
  })
  request.addEventListener('error', () =>
    end('The file did not arrive. Nothing has changed: try again.'),
  )
  request.addEventListener('abort', () => end('Stopped. Nothing has changed.'))
  button.disabled = true
  place.replaceChildren(bar, text, stop)
  request.open('POST', form.action)
  request.send(new FormData(form))
}

/** What a page says that something did not work. */
function refusalIn(page: string): string {
  const main = new DOMParser().parseFromString(page, 'text/html')
  const said = main.querySelector('.refused a') ?? main.querySelector('main .about')
  return said?.textContent ?? 'That did not work. Nothing has changed: try again.'
}

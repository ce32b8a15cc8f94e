/** The menu is open where there is no script, and on wide screens. */
export function closeOnPhones(): void {
  const menu = document.querySelector<HTMLDetailsElement>('.nav')
  if (menu !== null && matchMedia('(max-width: 720px)').matches) menu.open = false
}

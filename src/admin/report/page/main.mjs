/**
 * What a report's page does in a browser: it draws the charts, and hears what is asked of them. Without it the page is
 * whole but for the charts, whose tables are there.
 */
import { Group, isShown } from './charts.mjs'

const KEYS = {
  '+': 'in',
  '=': 'in',
  '-': 'out',
  ArrowLeft: 'left',
  ArrowRight: 'right',
  Home: 'home',
  0: 'home',
}
const PAPER_PIXELS = 680

const root = document.documentElement
root.classList.add('has-script')

const groups = [...document.querySelectorAll('[data-chart]')].map((section) => {
  const group = new Group(section.dataset.chart, [...section.querySelectorAll('[data-kind]')])
  listen(group, section)
  return group
})

function listen(group, section) {
  for (const button of section.querySelectorAll('button[data-act]')) {
    button.addEventListener('click', () => group.act(button.dataset.act))
  }
  for (const { element } of group.plots) {
    element.addEventListener('keydown', (event) => {
      const action = KEYS[event.key]
      if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      group.act(action)
    })
  }
  let width = section.clientWidth
  new ResizeObserver(() => {
    if (section.clientWidth === width) return
    width = section.clientWidth
    group.resize()
  }).observe(section)
}

function redraw() {
  for (const group of groups) group.redraw()
}

for (const box of document.querySelectorAll('input[data-series]')) {
  box.addEventListener('change', () => {
    isShown[Number(box.dataset.series)] = box.checked
    for (const group of groups) group.show(group.view)
  })
}

for (const choice of document.querySelectorAll('input[name=theme]')) {
  choice.addEventListener('change', () => {
    root.dataset.theme = choice.value
    redraw()
  })
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)

// On paper the charts are as wide as that, and drawn for it.
function forPaper(isPaper) {
  root.classList.toggle('on-paper', isPaper)
  for (const group of groups) group.resize(isPaper ? PAPER_PIXELS : undefined)
  redraw()
}
addEventListener('beforeprint', () => forPaper(true))
addEventListener('afterprint', () => forPaper(false))

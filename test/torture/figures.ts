/** The figures of a run: a line for each part as it ends, and the table of the README. */
import type { Family, Outcome, Part } from './family.ts'

/** Lines that the test runner prints although their file passed. */
export const FIGURE_MARK = '» '

export interface Figure {
  family: string
  behaviour: string
  unit: string
  tries: number
  told: string
}

export function figureOf({ title }: Family, { behaviour, unit }: Part, { tries, told }: Outcome): Figure {
  return { family: title, behaviour, unit, tries, told }
}

const grouped = new Intl.NumberFormat('en-US')

export function lineOf({ family, behaviour, unit, tries, told }: Figure): string {
  return `${FIGURE_MARK}${family}: ${behaviour}: ${grouped.format(tries)} ${unit}; ${told}`
}

/** A Markdown table, a line for each behaviour: runs of the same one are added up, the last one's outcome is told. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = new Map<string, Figure>()
  for (const figure of figures) {
    const key = `${figure.family}\n${figure.behaviour}`
    rows.set(key, { ...figure, tries: figure.tries + (rows.get(key)?.tries ?? 0) })
  }
  const lines = [...rows.values()].map(
    ({ family, behaviour, unit, tries, told }) =>
      `| ${family} | ${behaviour} | ${grouped.format(tries)} ${unit} | ${told} |`,
  )
  return ['| family | what holds | tried | outcome |', '| --- | --- | --- | --- |', ...lines].join('\n')
}

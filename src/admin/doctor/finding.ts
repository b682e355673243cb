/** What the doctor finds: what is wrong, why it matters, and what to do about it. */

/**
 * Damage: what is stored is not what was written. Warning: something does not go as it should, or soon will not. Notice:
 * nothing is at risk, and something can be put in order.
 */
export type Severity = 'damage' | 'warning' | 'notice'

export interface DoctorFinding {
  /** Stable, for programs: `overdue`. */
  code: string
  severity: Severity
  /** One line each. */
  what: string
  why: string
  todo: string
  /** What to type, where something can be typed. */
  commands: string[]
}

/** The word that agrees with so many: `agree(2, 'is', 'are')`. */
export function agree(n: number, one: string, many: string): string {
  return n === 1 ? one : many
}

/** The first of several names, and that there are others. */
export function firstOf(names: readonly string[]): string {
  return `${names[0]}${names.length > 1 ? ' and others' : ''}`
}

const ORDER: readonly Severity[] = ['damage', 'warning', 'notice']

/** The worst first; otherwise as they were found. */
export function bySeverity(findings: readonly DoctorFinding[]): DoctorFinding[] {
  return [...findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity))
}

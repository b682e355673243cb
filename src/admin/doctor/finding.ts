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

const ORDER: readonly Severity[] = ['damage', 'warning', 'notice']

/** The worst first; otherwise as they were found. */
export function bySeverity(findings: readonly DoctorFinding[]): DoctorFinding[] {
  return [...findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity))
}

/** Load: more timers, more services, further jumps and slower handlers than anybody asks for; and a soak. */
import type { Family } from '../family.ts'
import { backlog } from './backlog.ts'
import { jump } from './jump.ts'
import { moment } from './moment.ts'
import { overdue } from './overdue.ts'
import { pending } from './pending.ts'
import { services } from './services.ts'
import { leaks, soak } from './soak.ts'

export const family: Family = {
  name: 'load',
  title: 'Load and soak',
  parts: [moment, pending, services, jump, overdue, backlog, soak, leaks],
}

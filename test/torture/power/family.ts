// Power loss: nothing that was acknowledged is lost, nothing is half there.

import type { NamesModel } from '../../support/disk.ts'
import type { Family, Part } from '../family.ts'
import { hindrance } from '../shim/shim.ts'
import { rebootOwnFiles } from './ownfiles.ts'
import { rebootMany } from './reboots.ts'

const grouped = new Intl.NumberFormat('en-US')
const count = (number: number) => grouped.format(number)

function onDisk(model: NamesModel, behaviour: string, inCi: number): Part {
  return {
    behaviour,
    unit: 'reboots',
    inCi,
    inTorture: inCi * 10,
    hindrance,
    async run({ tries, seed }) {
      const sums = await rebootMany({ durability: 'disk', models: [model], tries, seed })
      const { acknowledged, survived, checkpoints, restores, unnamedTables } = sums
      const refused =
        model === 'strict'
          ? `; ${count(unnamedTables)} stores refused to open, as their MANIFEST named a table whose name was lost`
          : ''
      const told =
        `0 of ${count(acknowledged)} acknowledged calls lost (${count(survived)} unacknowledged steps survived), ` +
        `${count(checkpoints)} checkpoints whole, ${count(restores)} restored exactly${refused}`
      return { tries: sums.tries, told }
    },
  }
}

export const family: Family = {
  name: 'power',
  title: 'Power loss',
  parts: [
    onDisk(
      'ordered',
      "durability 'disk': what was acknowledged is there; names reach the disk in order",
      600,
    ),
    onDisk('strict', "durability 'disk': what was acknowledged is there; each name by itself", 600),
    {
      behaviour:
        "durability 'os': what is there is a prefix of what was acknowledged, or TIDEMARK_CORRUPT is told",
      unit: 'reboots',
      inCi: 300,
      inTorture: 3000,
      hindrance,
      async run({ tries, seed }) {
        const models = ['ordered', 'strict'] as const
        const sums = await rebootMany({ durability: 'os', models, tries, seed })
        const { lostSteps, refused, unnamedTables, checkpoints } = sums
        const told =
          `${count(sums.tries - refused - unnamedTables)} at an earlier state (${count(lostSteps)} steps lost), ` +
          `${count(refused + unnamedTables)} told TIDEMARK_CORRUPT; all ${count(checkpoints)} checkpoints whole`
        return { tries: sums.tries, told }
      },
    },
    {
      behaviour:
        'checkpoints, their chains, retention, restores and markers: whole or not there; each name by itself',
      unit: 'reboots in memory',
      inCi: 6000,
      inTorture: 60_000,
      async run({ tries, seed }) {
        const { reboots, moments, checkpoints, restores } = await rebootOwnFiles(tries, seed)
        const told =
          `0 lost or broken of ${count(checkpoints)} checkpoints at ${count(moments)} moments, ` +
          `${count(restores)} restored exactly`
        return { tries: reboots, told }
      },
    },
  ],
}

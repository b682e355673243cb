/**
 * Text formats whose patterns may differ in how they are written and still mean the same: a newer zod writes a better one.
 *
 * - What a format leaves to options (an offset in a date and time, the version of a UUID) shows in samples of it: a pattern
 *   takes the place of another where it takes every sample that the other one takes.
 * - A format without samples has no options: its patterns all mean the same.
 */

const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  'date-time': [
    '2024-02-29T12:30:15Z',
    '2024-02-29T12:30:15.1Z',
    '2024-02-29T12:30:15.123Z',
    '2024-02-29T12:30:15.123456Z',
    '2024-02-29T12:30:15.123456789Z',
    '2024-02-29T12:30Z',
    '2024-02-29T12:30:15',
    '2024-02-29T12:30:15.123',
    '2024-02-29T12:30',
    '2024-02-29T12:30:15+02:00',
    '2024-02-29T12:30:15.123-02:00',
    '2024-02-29T12:30+02:00',
    '2024-02-29T12:30:15+0200',
    '2024-02-29T12:30:15+02',
  ],
  time: ['12:30', '12:30:15', '12:30:15.1', '12:30:15.123', '12:30:15.123456', '12:30:15Z', '12:30:15+02:00'],
  uuid: [
    ...Array.from({ length: 16 }, (_, n) => `9b1deb4d-3b7d-${n.toString(16)}bad-9bdd-2b0d7b3dcb6d`),
    ...Array.from({ length: 16 }, (_, n) => `9b1deb4d-3b7d-4bad-${n.toString(16)}bdd-2b0d7b3dcb6d`),
    '9B1DEB4D-3B7D-4BAD-9BDD-2B0D7B3DCB6D',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  ],
  email: [
    'a@b.co',
    'first.last+tag@sub.example.com',
    "o'hara@example.com",
    'a_b-c@example.com',
    'a!b@example.com',
    'a@localhost',
    'a..b@example.com',
    'ä@example.com',
    'a@exämple.com',
    '"a b"@example.com',
    'a@[127.0.0.1]',
    `a@${'x'.repeat(64)}.com`,
    `${'a'.repeat(65)}@example.com`,
  ],
  mac: [
    '00:1A:2B:3C:4D:5E',
    '00:1a:2b:3c:4d:5e',
    '00-1A-2B-3C-4D-5E',
    '00-1a-2b-3c-4d-5e',
    '001A.2B3C.4D5E',
    '001A2B3C4D5E',
  ],
}

const WITHOUT_OPTIONS = new Set([
  ...['date', 'duration', 'hostname', 'emoji', 'nanoid', 'cuid', 'cuid2', 'ulid', 'xid', 'ksuid'],
  ...['ipv4', 'ipv6', 'cidrv4', 'cidrv6', 'base64', 'base64url', 'e164'],
])

/** Whether every text of a format that has the pattern `stored` has the pattern `given`, too. */
export function takesTheSame(
  format: unknown,
  stored: string | undefined,
  given: string | undefined,
): boolean {
  if (given === undefined || stored === given) return true
  if (typeof format !== 'string') return false
  if (WITHOUT_OPTIONS.has(format)) return true
  const samples = Object.hasOwn(SAMPLES, format) ? SAMPLES[format]! : undefined
  const givenPattern = compile(given)
  const storedPattern = stored === undefined ? /^/ : compile(stored)
  if (samples === undefined || givenPattern === undefined || storedPattern === undefined) return false
  return samples.every((sample) => !storedPattern.test(sample) || givenPattern.test(sample))
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u')
  } catch {
    try {
      return new RegExp(pattern)
    } catch {
      return undefined
    }
  }
}

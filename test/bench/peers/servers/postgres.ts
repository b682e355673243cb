/**
 * Debian's PostgreSQL, on a Unix socket in its own directory, whoever may reach that being trusted. Every commit is durable
 * (fsync and synchronous_commit stay on); beyond Debian's defaults it has what a careful user sets first.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import pg from 'pg'
import type { Server } from '../contender.ts'
import { asUser, installed, isRoot, run, start } from './process.ts'

const VERSIONS = '/usr/lib/postgresql'
/** PostgreSQL does not run as root: Debian's package makes this user. */
const USER = 'postgres'
const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
}
const OTHERS_MAY_PASS = 0o001

/** What a contender on it says of its durability. */
export const POSTGRES_DURABILITY =
  'power loss: an fsync per commit (fsync and synchronous_commit on; shared_buffers 256MB, max_wal_size 4GB)'

function findPrograms(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
  const programs = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(VERSIONS, version, 'bin'))
  return programs.find((folder) => existsSync(join(folder, 'initdb')))
}

/** PostgreSQL's user must come to the directory: the one above it is the benchmark's own, and may be passed. */
function giveTo(user: string, directory: string): void {
  const above = dirname(directory)
  chmodSync(above, statSync(above).mode | OTHERS_MAY_PASS)
  for (let place = above; place !== '/'; place = dirname(place))
    if ((statSync(place).mode & OTHERS_MAY_PASS) === 0)
      throw new Error(
        `PostgreSQL's user cannot pass ${place}: set TIDEMARK_TEST_DIR to a place that all may pass`,
      )
  run('chown', [user, directory])
}

function initialize(programs: string, data: string, user: string | undefined): void {
  mkdirSync(data)
  if (user !== undefined) run('chown', [user, data])
  const args = ['-D', data, '-U', USER, '--auth=trust', '--encoding=UTF8', '--no-locale']
  const [program, ...rest] = [...(user === undefined ? [] : asUser(user)), join(programs, 'initdb'), ...args]
  run(program!, rest)
}

async function accepts(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString })
  // Said again by what it was asked to do.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.end()
    return true
  } catch {
    return false
  }
}

/** Starts PostgreSQL on what the directory holds, which may be nothing; `connection` is a URL. */
export async function startPostgres(directory: string): Promise<Server> {
  const programs = installed(findPrograms, 'postgresql')
  const command = join(programs, 'postgres')
  const version = `PostgreSQL ${/[\d.]+/.exec(run(command, ['--version']))?.[0] ?? ''}`
  const user = isRoot() ? USER : undefined
  const data = join(directory, 'data')
  if (user !== undefined) giveTo(user, directory)
  if (!existsSync(data)) initialize(programs, data, user)
  const settings = { ...SETTINGS, listen_addresses: '', unix_socket_directories: directory }
  const args = [
    '-D',
    data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  const connection = `postgresql://${USER}@localhost/postgres?host=${encodeURIComponent(directory)}`
  // An interrupt is a fast shutdown: sessions are ended, and what is in memory is written.
  const running = await start({
    command,
    args,
    directory,
    ...(user === undefined ? {} : { user }),
    endSignal: 'SIGINT',
    ready: () => accepts(connection),
  })
  return { version, connection, ...running }
}

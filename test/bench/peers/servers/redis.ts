/**
 * Debian's Redis, on a Unix socket in its own directory: an append-only file, as BullMQ's guide for production says, and no
 * eviction. Snapshots (RDB) besides it are off: they would be a second copy.
 */
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Server } from '../contender.ts'
import { installed, run, start } from './process.ts'

const PROGRAM = '/usr/bin/redis-server'

/** Whether Redis answers, and not that it is still loading. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    const told = (ready: boolean) => {
      socket.destroy()
      resolve(ready)
    }
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (answer) => told(answer.toString().startsWith('+PONG')))
    socket.once('error', () => told(false))
    socket.once('close', () => told(false))
  })
}

/** Starts Redis on what the directory holds; `connection` is the path of its socket. */
export async function startRedis(directory: string, appendFsync: 'everysec' | 'always'): Promise<Server> {
  const command = installed(() => (existsSync(PROGRAM) ? PROGRAM : undefined), 'redis-server')
  const connection = join(directory, 'redis.sock')
  const version = `Redis ${/v=([\d.]+)/.exec(run(command, ['--version']))?.[1] ?? ''}`
  const settings = {
    port: '0',
    unixsocket: connection,
    dir: directory,
    appendonly: 'yes',
    appendfsync: appendFsync,
    save: '',
    'maxmemory-policy': 'noeviction',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const ready = () => answers(connection)
  return { version, connection, ...(await start({ command, args, directory, endSignal: 'SIGTERM', ready })) }
}

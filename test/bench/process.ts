/** A benchmark in a process of its own, so that no figure is coloured by the one before. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Runs a script of the folder of `base`; resolves with the JSON lines that it prints. */
export function runLines(file: string, base: string, args: readonly string[] = []): Promise<unknown[]> {
  const script = fileURLToPath(new URL(file, base))
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      const lines = output.trim().split('\n')
      if (code !== 0) reject(new Error(`${file} ${args.join(' ')} exited with ${code}`))
      else resolve(lines.map((line) => JSON.parse(line) as unknown))
    })
  })
}

/**
 * From the data's bins to the bars of what is shown: as many bins together as there is room for. Bins are sparse and exact:
 * no timer is estimated, and none is a point of its own.
 */

/** Where each bin of a series begins, in widths, and how many timers lie before it. */
export function decodeBins({ steps, counts }) {
  let index = 0
  let sum = 0
  const before = [0]
  const at = steps.map((step, i) => {
    sum += counts[i]
    before.push(sum)
    index += step
    return index
  })
  return { at, before }
}

/** How many timers of a series lie before a bin. */
function countBefore({ at, before }, index) {
  let low = 0
  let high = at.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (at[middle] < index) low = middle + 1
    else high = middle
  }
  return before[low]
}

/**
 * The bars of a view: where they begin, how wide they are, the counts of each series, and how many timers lie before each
 * and behind the last.
 */
export function barsOf({ chart, bins, view: [from, to] }, room, isShown) {
  const width = chart.widths.find((one) => (to - from) / one <= room) ?? chart.widths.at(-1)
  const start = Math.floor(from / width) * width
  const length = Math.max(2, Math.ceil((to - start) / width))
  const xs = Array.from({ length }, (_, i) => start + i * width)
  const edges = [...xs, start + length * width].map((x) => Math.round(x / chart.width))
  const before = bins.map((one) => edges.map((edge) => countBefore(one, edge)))
  const counts = before.map((sums) => xs.map((_, i) => sums[i + 1] - sums[i]))
  const visible = before.filter((_, i) => isShown[i])
  const sums = edges.map((_, i) => visible.reduce((sum, one) => sum + one[i], 0))
  return { xs, width, counts, sums }
}

/** What uPlot draws: the tops of the stack, the whole first, each in front of the one before. */
export function stackOf({ xs, counts }, isShown) {
  let top = xs.map(() => 0)
  const tops = counts.map((row, i) => {
    if (isShown[i]) top = top.map((sum, x) => sum + row[x])
    return top
  })
  return [xs, ...tops.reverse()]
}

// Texts that were made to do harm: where a path, a script, a formula, a prototype or a terminal would take them for more.

export const PATHS = [
  '../../x',
  `${'../'.repeat(40)}etc/passwd`,
  '/etc/passwd',
  '..',
  '.',
  '~/x',
  'a/b',
  'a\\b',
  '..\\..\\x',
  'C:\\x',
  'a\0b',
  '%2e%2e%2fx',
  'x'.repeat(250),
  '-rf',
  '$(touch x)',
  '`touch x`',
  '; touch x',
]

export const PROTOTYPES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '__defineGetter__',
  'then',
]

export const MARKUP = [
  `</script><script>document.title='ran'</script>`,
  `<img src=x onerror="document.title='ran'">`,
  `"><svg onload=document.title='ran'>`,
  `' onmouseover='document.title=1' x='`,
  '<!--',
  '--><script>document.title=1</script>',
  '<![CDATA[',
  '</title></style></pre></textarea></main>',
  '&lt;b&gt; &amp;amp; &#60;',
  'javascript:document.title=1',
  '\u2028alert(1)\u2029',
  '\u202e\u0000\u001b[31m',
  '{{constructor.constructor("document.title=1")()}}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is text that could be taken for a template.
  '${document.title=1}',
]

export const CONTROLS = [
  '\u001b[2J\u001b[1;1Hgone',
  '\u001b]0;title\u0007',
  '\u001b]52;c;cm0gLXJm\u0007',
  '\u009b31mred',
  '\u0090qsixel\u009c',
  'over\rwritten',
  'back\b\b\b\b',
  'bell\u0007',
  'rtl\u202egnp.exe',
  'zero\u200bwidth',
  'two\nlines',
  'del\u007f',
]

export const FORMULAS = [
  `=cmd|' /C calc'!A0`,
  '=HYPERLINK("http://x","y")',
  '+1+1',
  '-1+1',
  '@SUM(A1)',
  '\t=1',
  '\r=1',
  ' =1',
  '＝1',
  '-',
]

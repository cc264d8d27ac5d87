// Builds a rule to a component: node build.mjs RULE.js WIT-FOLDER OUT.wasm, beside node_modules. See build.sh.
import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';

const [sourcePath, witPath, out] = process.argv.slice(2);
const { component, imports } = await componentize({
  sourcePath,
  witPath,
  worldName: 'anonymize',
  // Rules get nothing but the interface: what these need would be refused when the module is loaded.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
const foreign = imports.filter(([from]) => !from.startsWith('sluice:rules/'));
if (foreign.length) throw new Error(`the component imports ${JSON.stringify(foreign)}`);
await writeFile(out, component);

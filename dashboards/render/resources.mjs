// Checks the resources in deploy/ for prometheus-operator against the schemas of its own definitions: `node resources.mjs`.
import { readFile } from 'node:fs/promises';
import { PodMonitor, PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { parse } from 'yaml';

const resources = { 'podmonitor.yaml': PodMonitor, 'prometheusrule.yaml': PrometheusRule };
for (const [name, Resource] of Object.entries(resources)) {
  const text = await readFile(new URL(`../deploy/${name}`, import.meta.url), 'utf8'), resource = parse(text);
  if (resource.kind !== Resource.kind || resource.apiVersion !== Resource.apiVersion) throw new Error(`${name}: a ${resource.kind}`);
  try {
    new Resource(resource).validate();
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
if (!process.exitCode) console.log(`${Object.keys(resources).length} resources are what their schemas say`);

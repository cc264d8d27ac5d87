// The rule `initials` of the README, in JavaScript.
import { subject } from 'sluice:rules/context@1.0.0';
import { uid } from 'sluice:rules/pseudonym@1.0.0';

export function anonymize(ds) {
  if (ds.get('BurnedInAnnotation') === 'YES') {
    return { tag: 'quarantine', val: 'burned-in text' };
  }
  ds.set('PatientName', subject() ?? '');
  ds.remove('*/PatientAddress');
  const study = ds.get('StudyInstanceUID');
  if (study !== undefined) ds.set('StudyInstanceUID', uid(study));
  return { tag: 'keep' };
}

export { type CaptureWords, defaultCaptureWords, readCaptureArguments, readCapturePlan } from './capture-options.ts';
export { type CapturePlan, capturesOutbound, handoverSources } from './capture-plan.ts';
export { type CaptureProof, proveOutbound } from './capture-proof.ts';
export { writeIptablesRemoval, writeIptablesRules } from './iptables-ruleset.ts';
export { nftTable, writeNftRemoval, writeNftRules } from './nft-ruleset.ts';
export {
  type OriginalDestination,
  type OriginalDestinationReader,
  openOriginalDestinations,
} from './original-destination.ts';
export { type RuleTool, type RuleToolName, findRuleTool, workingRuleTools } from './rule-tool.ts';

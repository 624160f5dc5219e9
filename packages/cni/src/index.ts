export { type AgentLog, type NodeAgent, type NodeAgentOptions, startNodeAgent } from './node-agent.ts';

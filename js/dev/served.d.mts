export const FLAGS: string[]
export function served(): Promise<{ url: string; stop: () => Promise<void> }>

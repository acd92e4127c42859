export const FLAGS: string[]
export function served(): Promise<{ url: string; stop: () => Promise<void> }>
export function listening(port: number): Promise<{ url: string; stop: () => Promise<void> }>

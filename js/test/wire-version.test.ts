import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { FakeKernel } from "../dev/fake-kernel"
import { worldOf } from "../dev/scenes"
import { Session } from "../src/state/session"
import { type Channel, type FromKernel, type ToKernel, WIRE_VERSION } from "../src/wire/messages"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A session whose channel replies to each message with `reply`; the fake kernel provides valid snapshots. */
function openSession(reply: (message: ToKernel, kernel: FakeKernel) => FromKernel) {
  const kernel = new FakeKernel(worldOf("city"))
  const sent: ToKernel[] = []
  let deliver: (message: FromKernel, buffers: DataView[]) => void = () => undefined
  const channel: Channel = {
    listen(listener) {
      deliver = listener
      return () => undefined
    },
    send(message) {
      sent.push(message)
      setTimeout(() => deliver(reply(message, kernel), []))
    },
  }
  const session = new Session(channel)
  return {
    session,
    sent,
    state: () => session.store.getState(),
    deliver: (message: FromKernel) => deliver(message, []),
  }
}

describe("the version of the wire", () => {
  it("is sent with the first request", () => {
    const { session, sent, state } = openSession(({ id }, kernel) => kernel.snapshot(id))
    expect(sent).toMatchObject([{ type: "ask", what: "snapshot", wire: WIRE_VERSION }])
    vi.advanceTimersByTime(10)
    expect(state().isReady).toBe(true)
    expect(state().notice).toBeNull()
    session.close()
  })

  it.each([
    [WIRE_VERSION - 1, "Restart the kernel"],
    [undefined, "Restart the kernel"],
    [WIRE_VERSION + 1, "reload the page"],
  ])("of a kernel with version %s shows a notice and loads nothing", (wire, advice) => {
    const { session, sent, state, deliver } = openSession(
      ({ id }, kernel) => ({ ...kernel.snapshot(id), flow: null, wire }) as unknown as FromKernel,
    )
    vi.advanceTimersByTime(60_000)
    expect(state().notice?.text).toContain(advice)
    expect(state().isReady).toBe(false)
    expect(sent).toHaveLength(1)
    deliver({ type: "plan", plan: null } as unknown as FromKernel) // of an unknown shape: ignored
    session.close()
  })

  it("that the kernel rejects shows the kernel's advice until it reconnects", () => {
    const error = { code: "wire_version", message: "The page is older.", hint: "Reload the page." }
    const { session, sent, state } = openSession(({ id }) => ({ type: "reply", id, error }))
    vi.advanceTimersByTime(60_000)
    expect(state().notice?.text).toBe("The page is older. Reload the page.")
    expect(state().isDisconnected).toBe(false)
    expect(sent).toHaveLength(1)
    session.close()
  })
})

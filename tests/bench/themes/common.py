"""What several themes do with what was measured."""
from measuring.subjects import BIGHT, PEER
from report.model import Bar, Group


def bars(measured, figure_of):
    return [Bar(name, figure_of(name), measured.families[name]) for name in measured.names()]


def rows(measured, *figures_of):
    return [[name] + [figure_of(name) for figure_of in figures_of] for name in measured.names()]


def beside(label, measured, metric, to):
    """A group for the first chart: bight, and the best of the other libraries, in times of `to`."""
    names = [name for name in measured.names() if measured.families[name] == BIGHT]
    peers = [name for name in measured.names() if measured.families[name] == PEER]
    if peers:
        names.append(measured.best_of(peers, metric))
    return Group(label, [Bar(name, measured.ratio(name, metric, to), measured.families[name]) for name in names])


def bights(measured):
    return [name for name in measured.names() if measured.families[name] == BIGHT]

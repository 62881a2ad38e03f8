using System.Globalization;
using System.Security;
using System.Text;
using Ledger.Commits;
using Ledger.Pages;

namespace Ledger.Cli.Terminal;

/// <summary>Branches and merges as lanes, newest first.</summary>
internal sealed class GraphDrawing
{
    private const int LaneWidth = 22;
    private const int RowHeight = 28;
    private const int Margin = 20;
    private const int TextWidth = 620;

    private readonly List<GraphRow> _rows = [];
    private readonly List<CommitId> _lanes = [];
    private readonly Dictionary<CommitId, (int Lane, int Row)> _places = [];
    private readonly IReadOnlyList<CommitInfo> _commits;
    private int _width;

    /// <summary>Draws commits of which every child comes before its parents.</summary>
    public GraphDrawing(IReadOnlyList<CommitInfo> commits)
    {
        _commits = commits;
        foreach (var commit in commits)
        {
            Add(commit);
        }
    }

    /// <summary>The lines: one for each commit, and those that join and part lanes between them.</summary>
    public IReadOnlyList<GraphRow> Rows => _rows;

    /// <summary>A commit in a line.</summary>
    public static string Describe(CommitInfo commit)
    {
        var who = commit.Parents.Count > 1 && commit.Device is null ? "merge" : CommitNames.Format(commit.Time);
        var message = commit.Message is null ? "" : "  " + LineText.Escape(commit.Message);
        var changes = commit.Changes == 1 ? "change" : "changes";
        return $"{commit.Id.Short()}  {who,-24}  {commit.Changes,7} {changes}{message}";
    }

    /// <summary>The same as a picture.</summary>
    public string ToSvg()
    {
        var width = (2 * Margin) + (_width * LaneWidth) + TextWidth;
        var height = (2 * Margin) + (_commits.Count * RowHeight);
        var svg = new StringBuilder();
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" ");
        svg.Append("font-family=\"monospace\" font-size=\"13\">\n");
        foreach (var commit in _commits)
        {
            var (x, y) = PointOf(commit.Id);
            foreach (var parent in commit.Parents.Where(_places.ContainsKey))
            {
                var (parentX, parentY) = PointOf(parent);
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<path d=\"M{x} {y} C{x} {y + RowHeight} {parentX} {parentY - RowHeight} {parentX} {parentY}\" ");
                svg.Append("fill=\"none\" stroke=\"#888\" stroke-width=\"2\"/>\n");
            }
        }

        foreach (var commit in _commits)
        {
            var (x, y) = PointOf(commit.Id);
            var fill = commit.Parents.Count > 1 ? "#c60" : "#06c";
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"{fill}\"/>");
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{Margin + (_width * LaneWidth)}\" y=\"{y + 4}\" xml:space=\"preserve\">");
            svg.Append(SecurityElement.Escape(Describe(commit))).Append("</text>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private (int X, int Y) PointOf(CommitId id)
    {
        var (lane, row) = _places[id];
        return (Margin + (lane * LaneWidth), Margin + (row * RowHeight));
    }

    private void Add(CommitInfo commit)
    {
        var lane = _lanes.IndexOf(commit.Id);
        if (lane < 0)
        {
            lane = _lanes.Count;
            _lanes.Add(commit.Id);
        }

        for (var other = _lanes.LastIndexOf(commit.Id); other > lane; other = _lanes.LastIndexOf(commit.Id))
        {
            AddRow(other, '/');
            _lanes.RemoveAt(other);
        }

        _width = Math.Max(_width, _lanes.Count);
        _places.Add(commit.Id, (lane, _places.Count));
        _rows.Add(new GraphRow(
            string.Join(' ', _lanes.Select((_, index) => index == lane ? commit.Parents.Count > 1 ? 'M' : '*' : '|')),
            commit));

        // Lanes that lead to the beginning, which is no commit of anybody, end.
        var parents = commit.Parents.Where(parent => parent != default && commit.Generation > 1).ToList();
        if (parents.Count == 0)
        {
            _lanes.RemoveAt(lane);
            return;
        }

        _lanes[lane] = parents[0];
        foreach (var parent in parents.Skip(1))
        {
            _lanes.Insert(lane + 1, parent);
            AddRow(lane + 1, '\\');
        }
    }

    // The lanes left of one, a stroke that joins it with its neighbour, and the lanes right of it.
    private void AddRow(int lane, char stroke)
    {
        var row = new StringBuilder();
        for (var index = 0; index < _lanes.Count; index++)
        {
            row.Append(index == 0 ? "" : index == lane ? stroke : ' ').Append(index == lane ? ' ' : '|');
        }

        _rows.Add(new GraphRow(row.ToString().TrimEnd(), null));
    }
}

/// <summary>A line of a drawing.</summary>
/// <param name="Lanes">The lanes.</param>
/// <param name="Commit">The commit in this line, or null.</param>
internal sealed record GraphRow(string Lanes, CommitInfo? Commit);
